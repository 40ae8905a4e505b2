// Opens files of weights and reads every tensor, for tests that watch a process do so: prints a line for each file and
// exits 0, whatever is in them; 1 when a fault of ours shows.
// read_weights FILE…     one line each: "ok 12 tensors 340 bytes" or "refused <message>"
#include <cstdio>
#include <vector>

#include "core/base/error.h"
#include "core/weights/weights_file.h"

int main(int argc, char** argv) {
  using namespace rtdetr;
  int code = 0;
  for (int i = 1; i < argc; ++i) {
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
  return code;
}
