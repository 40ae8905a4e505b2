// Opens files of weights and reads every tensor, for tests that watch a process do so: prints a line for each file and
// exits 0, whatever is in them; 1 when a fault of ours shows.
// read_weights [--peak] FILE…   one line each: "ok 12 tensors 340 bytes" or "refused 4 <message>"; with --peak a last
//                               line of the memory that this took, "VmHWM: <n> kB"
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/weights/weights_file.h"

int main(int argc, char** argv) {
  using namespace rtdetr;
  int code = 0;
  const bool peak = argc > 1 && std::string(argv[1]) == "--peak";
  for (int i = peak ? 2 : 1; i < argc; ++i) {
    try {
      const auto file = open_weights(argv[i]);
      std::uint64_t bytes = 0;
      for (const WeightTensor& tensor : file->tensors()) {
        std::vector<std::byte> values(tensor.bytes);
        file->read(tensor, values);
        bytes += values.size();
      }
      std::printf("ok %zu tensors %llu bytes\n", file->tensors().size(), static_cast<unsigned long long>(bytes));
    } catch (const Error& error) {
      std::printf("refused %d %s\n", static_cast<int>(error.code()), error.what());
      if (error.code() != ExitCode::kModel && error.code() != ExitCode::kIo) code = 1;
    }
    std::fflush(stdout);
  }
  if (peak) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) std::printf("%s\n", line.c_str());
  }
  return code;
}
