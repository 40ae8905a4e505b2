#include "train/loop/decision.h"

#include <array>

namespace rtdetr {

Decision agree(const Decision& mine, ProcessGroup& group) {
  std::array<double, 3> worst{mine.finite ? 0.0 : 1.0, mine.stop ? 1.0 : 0.0, mine.seconds};
  group.all_reduce(worst, Reduction::kMax);
  return {.finite = worst[0] == 0, .stop = worst[1] != 0, .seconds = worst[2]};
}

}  // namespace rtdetr
