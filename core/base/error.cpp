#include "core/base/error.h"

namespace rtdetr {

void throw_check_failure(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(std::string("internal error: ") + message + " (" + condition + " is false, " + file + ":" +
                      std::to_string(line) + "); please report it");
}

}  // namespace rtdetr
