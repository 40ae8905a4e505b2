#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "core/base/error.h"

namespace rtdetr {

/// How one rank ended.
struct RankEnd {
  enum class Why {
    kOwn,     ///< by itself, or by somebody else's signal
    kFrozen,  ///< the launcher ended it, for it stood still
    kMade,    ///< the launcher ended it, for another had failed
  };
  std::int64_t rank = 0;
  pid_t process = 0;
  int status = 0;  ///< as waitpid() tells it
  Why why = Why::kOwn;
};

/// Done, or stopped and saved: nothing that the others must hear of.
bool is_quiet(const RankEnd& end);

/// What the ends of all ranks mean.
struct Verdict {
  ExitCode code = ExitCode::kOk;
  std::string message;  ///< empty: all ranks left alike, and have said themselves why
};

/// Whose fault it was: the first that failed, those that left because of others (ExitCode::kPeer) only if there is
/// none else. The verdict's code is that rank's, if it is one of ours, else kPeer; for ranks that leave with different
/// codes and no failure kInternal. A job that was told to stop before its ranks could save ends with 128 + signal.
/// @param ends     in the order of time
/// @param told_by  the signal that was passed on to the ranks, 0 for none
/// @param host     for the message
Verdict verdict_of(std::span<const RankEnd> ends, int told_by, const std::string& host);

}  // namespace rtdetr
