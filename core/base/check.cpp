#include "core/base/check.h"

namespace rtdetr {

void throw_check_failure(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(std::string("internal error: ") + message + " (" + condition + " is false, " + file + ":" +
                      std::to_string(line) + "); please report it");
}

DivergedError outputs_not_finite(const std::string& which) {
  return DivergedError(
      "the model's " + which +
      " are not finite: its weights are too large or damaged; an earlier checkpoint, a lower lr0= of its "
      "training or computing in fp32 may help");
}

}  // namespace rtdetr
