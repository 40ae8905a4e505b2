// Gives every file of a target's seeds/, regress/ and more_seeds to the target once: the test form of a fuzz program.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const fs::path folder = argv[1];
  std::vector<fs::path> sources{folder / "seeds", folder / "regress"};
  std::ifstream more(folder / "more_seeds");
  for (std::string line; std::getline(more, line);) sources.push_back(folder / line);
  std::size_t replayed = 0;
  for (const fs::path& source : sources) {
    if (!fs::is_directory(source)) continue;
    std::vector<fs::path> files(fs::directory_iterator(source), fs::directory_iterator{});
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);  // the last name is that of the file that broke it
      std::ifstream stream(file, std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++replayed;
    }
  }
  std::printf("%zu files\n", replayed);
  return replayed > 0 ? 0 : 1;
}
