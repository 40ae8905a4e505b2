#pragma once

#include <exception>

#include "core/base/error.h"

namespace rtdetr {

/// What was caught, as the exit code and the words that the user gets: our own errors as they are, LibTorch's,
/// exhausted memory and a GPU that stopped working in our words.
Error as_error(const std::exception_ptr& caught);

/// "usage", "data", "model", …: the word for a code in JSON.
const char* kind_of(ExitCode code);

}  // namespace rtdetr
