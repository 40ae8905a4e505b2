#include "train/library/c_error.h"

#include <utility>

#include "core/base/error.h"
#include "train/process/failure.h"

struct rtdetr_error {
  std::int32_t code = 0;
  std::string text;
};

namespace rtdetr {
namespace {

/// Of a reason for which there is no memory.
rtdetr_error no_memory{static_cast<std::int32_t>(ExitCode::kMemory), "out of memory"};

}  // namespace

void give_error(const std::exception_ptr& caught, rtdetr_error** error) noexcept {
  if (!error) return;
  try {
    const Error found = as_error(caught);
    *error = new rtdetr_error{static_cast<std::int32_t>(found.code()), found.what()};
  } catch (...) {
    *error = &no_memory;
  }
}

std::vector<std::string> words_of(const char* const* settings) {
  std::vector<std::string> words;
  for (; settings && *settings; ++settings) words.emplace_back(*settings);
  return words;
}

void require_given(const void* argument, const char* what) {
  if (!argument) throw ConfigError(std::string(what) + " is NULL");
}

}  // namespace rtdetr

extern "C" {

int32_t rtdetr_abi_version(void) { return RTDETR_ABI_VERSION; }
const char* rtdetr_version(void) { return RTDETR_VERSION; }

const char* rtdetr_error_text(const rtdetr_error* error) { return error ? error->text.c_str() : ""; }
int32_t rtdetr_error_code(const rtdetr_error* error) { return error ? error->code : 0; }
void rtdetr_error_free(rtdetr_error* error) {
  if (error != &rtdetr::no_memory) delete error;
}

}  // extern "C"
