#include "train/process/failure.h"

#include <csignal>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

#include <torch/types.h>
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
  CHECK(error_of([] { throw 7; }).code() == ExitCode::kInternal);  // a callback's
}

TEST_CASE("what a signal ended was stopped, whichever it was") {
  for (const int code : {128 + SIGINT, 128 + SIGTERM, 128 + SIGHUP})
    CHECK(std::string(kind_of(static_cast<ExitCode>(code))) == "stopped");
  CHECK(std::string(kind_of(ExitCode::kInternal)) == "internal");
}

TEST_CASE("a GPU without memory and one that stopped working are told apart from a fault of ours") {
  const c10::SourceLocation here{"", "", 0};
  const auto error_with = [&](const std::string& words) {
    return error_of([&] { throw c10::AcceleratorError(here, 1, words + "\nCUDA kernel errors might be …"); });
  };
  const auto code_of = [&](const std::string& words) { return error_with(words).code(); };
  const auto words_for = [&](const std::string& words) { return std::string(error_with(words).what()); };
  const Error full = error_of([&] { throw c10::OutOfMemoryError(here, "CUDA out of memory. Tried: 2 GiB.\nmore"); });
  CHECK(full.code() == ExitCode::kMemory);
  CHECK_THAT(full.what(), Catch::Contains("the GPU has not enough memory") && Catch::Contains("2 GiB"));
  for (const char* words :
       {"CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"}) {
    INFO(words);
    CHECK(code_of(words) == ExitCode::kMemory);
    CHECK_THAT(words_for(words), Catch::StartsWith("the GPU has not enough memory; ") && Catch::Contains(words));
  }
  for (const char* words :
       {"CUDA error: uncorrectable ECC error encountered", "CUDA error: the launch timed out and was terminated",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable"})
    CHECK(code_of(words) == ExitCode::kIo);
  for (const char* words : {"CUDA error: device-side assert triggered", "CUDA error: an illegal memory access",
                            "CUDA error: unspecified launch failure"})
    CHECK(code_of(words) == ExitCode::kInternal);
  const Error lost =
      error_of([&] { throw c10::AcceleratorError(here, 214, "CUDA error: uncorrectable ECC error\nx"); });
  CHECK_THAT(lost.what(), Catch::StartsWith("the GPU stopped working: CUDA error: uncorrectable ECC error; ") &&
                              !Catch::Contains("\n"));
}

TEST_CASE("our own errors are handed on as they are") {
  const Error ours = error_of([] { throw DataError("set.yaml: no"); });
  CHECK(ours.code() == ExitCode::kData);
  CHECK(std::string(ours.what()) == "set.yaml: no");
}

}  // namespace rtdetr
