/// save_once FOLDER VERSION: writes FOLDER/last.safetensors as a run does, about 20 KB that tell their version, and
/// ends with the program's exit codes. It starts in a millisecond, so that every system call of a save can be tried.
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"

int main(int argc, char** argv) {
  if (argc != 3) return static_cast<int>(rtdetr::ExitCode::kUsage);
  const std::filesystem::path folder = argv[1];
  const std::vector<std::int64_t> numbers(2500, std::atoll(argv[2]));
  const rtdetr::TensorView view{"version", rtdetr::TensorType::kI64, {2500}, std::as_bytes(std::span(numbers))};
  try {
    rtdetr::write_safetensors(folder / "last.safetensors", {&view, 1}, {},
                              {.durable = true, .keep_previous = folder / "last-1.safetensors"});
  } catch (const rtdetr::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
