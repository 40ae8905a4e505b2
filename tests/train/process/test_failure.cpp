#include "train/process/failure.h"

#include <filesystem>
#include <new>

#include <torch/torch.h>
#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (...) {
    return as_error(std::current_exception());
  }
  return {ExitCode::kOk, ""};
}

}  // namespace

TEST_CASE("what others throw has an exit code of ours and says what failed") {
  const Error memory = error_of([] { throw std::bad_alloc(); });
  CHECK(memory.code() == ExitCode::kMemory);
  CHECK_THAT(memory.what(), Catch::Contains("a smaller batch= or imgsz="));
  CHECK(error_of([] { torch::empty({std::int64_t{1} << 60}, torch::kUInt8); }).code() == ExitCode::kMemory);

  const Error file = error_of([] { static_cast<void>(std::filesystem::file_size("/nowhere/file")); });
  CHECK(file.code() == ExitCode::kIo);
  CHECK_THAT(file.what(), Catch::Contains("/nowhere/file") && Catch::Contains("ENOENT"));

  const Error torch_error = error_of([] { torch::ones({2}) + torch::ones({3}); });
  CHECK(torch_error.code() == ExitCode::kInternal);
  CHECK_THAT(torch_error.what(), Catch::StartsWith("LibTorch: ") && !Catch::Contains("\n"));
  CHECK(error_of([] { throw std::runtime_error("odd"); }).code() == ExitCode::kInternal);
}

TEST_CASE("our own errors are handed on as they are") {
  const Error ours = error_of([] { throw DataError("set.yaml: no"); });
  CHECK(ours.code() == ExitCode::kData);
  CHECK(std::string(ours.what()) == "set.yaml: no");
}

}  // namespace rtdetr
