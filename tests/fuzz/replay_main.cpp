// Gives every file of a target's seeds/, regress/ and more_seeds to the target: the test form of a fuzz program. Each
// file whole, then cut short and with a bit flipped, at places spread evenly over it: the same in every run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kCuts = 24, kFlips = 48;

std::size_t give(const Bytes& bytes) {
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return 1;
}

/// @return  how many inputs were given
std::size_t replay(const Bytes& whole) {
  std::size_t given = give(whole);
  const std::size_t size = whole.size(), cuts = std::min(kCuts, size), flips = std::min(kFlips, size);
  for (std::size_t i = 0; i < cuts; ++i)
    given += give(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i * size / cuts)));
  for (std::size_t i = 0; i < flips; ++i) {
    Bytes flipped = whole;
    flipped[i * size / flips] ^= static_cast<std::uint8_t>(1U << (i % 8));
    given += give(flipped);
  }
  return given;
}

}  // namespace

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
      replayed += replay(Bytes{std::istreambuf_iterator<char>(stream), {}});
    }
  }
  std::printf("%zu inputs\n", replayed);
  return replayed > 0 ? 0 : 1;
}
