#pragma once

#include "core/distributed/process_group.h"

namespace rtdetr {

/// What a step ends with, decided by all processes of a run together, so that none goes on alone. A process says how it
/// is with itself; together they have stepped only if all have, stop if one is to, and are as far in time as the
/// slowest.
struct Decision {
  bool finite = true;  ///< the step's numbers were finite: it was applied
  bool stop = false;   ///< somebody wants the run to stop
  double seconds = 0;  ///< of training so far; what is left of the run's time, and a timed learning rate, go by it
};

/// Every process of the group comes here once a step. One wait.
Decision agree(const Decision& mine, ProcessGroup& group);

}  // namespace rtdetr
