#include "train/process/rank_ends.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <vector>

#include "core/base/check.h"
#include "core/base/text.h"
#include "train/process/child_process.h"
#include "train/process/failure.h"
#include "train/process/stop_signal.h"

namespace rtdetr {
namespace {

constexpr int kNoCode = -1;

int code_of(const RankEnd& end) { return WIFEXITED(end.status) ? WEXITSTATUS(end.status) : kNoCode; }

bool has_code(const RankEnd& end, ExitCode code) { return code_of(end) == static_cast<int>(code); }

/// A failure that has a code of its own.
bool is_ours(int code) { return (code >= 2 && code <= 8) || code == static_cast<int>(ExitCode::kInternal); }

/// Left, as it was told, before there was anything to save.
bool obeyed(const RankEnd& end, int told_by) {
  if (told_by == 0) return false;
  return WIFSIGNALED(end.status) ? WTERMSIG(end.status) == told_by : code_of(end) == 128 + told_by;
}

std::string exit_words(int code) {
  std::string words = "exit code " + std::to_string(code);
  if (code == 0 || code == static_cast<int>(ExitCode::kStopped) || is_ours(code))
    words += std::string(" (") + kind_of(static_cast<ExitCode>(code)) + ")";
  return words;
}

std::string cause_of(const RankEnd& end) {
  if (end.why == RankEnd::Why::kFrozen) return "stood still (SIGSTOP or the like) and was ended";
  if (WIFSIGNALED(end.status)) {
    const int signal = WTERMSIG(end.status);
    return "was killed by " + signal_name(signal) +
           (signal == SIGKILL ? ", by hand or by the kernel when memory was short" : "");
  }
  if (code_of(end) == kCannotStart) return "could not be started";
  return "left with " + exit_words(code_of(end)) + ", its message stands above";
}

std::string rank_words(const RankEnd& end) { return "rank " + std::to_string(end.rank); }

std::string short_words(const RankEnd& end) {
  if (end.why == RankEnd::Why::kMade) return rank_words(end) + " had to be ended";
  if (WIFSIGNALED(end.status)) return rank_words(end) + " was killed by " + signal_name(WTERMSIG(end.status));
  return rank_words(end) + " left with " + exit_words(code_of(end));
}

/// "rank 1 left with exit code 7 (peer), ranks 2 and …": all but the one.
std::string the_others(std::span<const RankEnd> ends, const RankEnd* but = nullptr) {
  std::vector<std::string> words;
  for (const RankEnd& end : ends)
    if (&end != but) words.push_back(short_words(end));
  return join(words, ", ");
}

const RankEnd* culprit_of(std::span<const RankEnd> ends, int told_by) {
  const RankEnd* victim = nullptr;
  for (const RankEnd& end : ends) {
    if (is_quiet(end) || end.why == RankEnd::Why::kMade || obeyed(end, told_by)) continue;
    if (!has_code(end, ExitCode::kPeer)) return &end;
    if (!victim) victim = &end;
  }
  return victim;
}

bool all_left_alike(std::span<const RankEnd> ends) {
  return std::all_of(ends.begin(), ends.end(), [&](const RankEnd& end) {
    return end.why == RankEnd::Why::kOwn && WIFEXITED(end.status) && code_of(end) == code_of(ends.front());
  });
}

Verdict blame(const RankEnd& culprit, std::span<const RankEnd> ends, const std::string& host) {
  Verdict verdict;
  const bool own_code = culprit.why == RankEnd::Why::kOwn && is_ours(code_of(culprit));
  verdict.code = own_code ? static_cast<ExitCode>(code_of(culprit)) : ExitCode::kPeer;
  verdict.message = rank_words(culprit) + " (process " + std::to_string(culprit.process) + " on " + host + ") " +
                    cause_of(culprit) + "; " + the_others(ends, &culprit);
  return verdict;
}

}  // namespace

bool is_quiet(const RankEnd& end) { return has_code(end, ExitCode::kOk) || has_code(end, ExitCode::kStopped); }

Verdict verdict_of(std::span<const RankEnd> ends, int told_by, const std::string& host) {
  RTDETR_CHECK(!ends.empty(), "no rank has ended");
  const int first = code_of(ends.front());
  if (all_left_alike(ends) && (is_quiet(ends.front()) || is_ours(first) || obeyed(ends.front(), told_by)))
    return {static_cast<ExitCode>(first), ""};
  if (const RankEnd* culprit = culprit_of(ends, told_by)) return blame(*culprit, ends, host);
  if (std::any_of(ends.begin(), ends.end(), [&](const RankEnd& end) { return obeyed(end, told_by); }))
    return {static_cast<ExitCode>(128 + told_by),
            "stopped by " + signal_name(told_by) + " before all ranks were at work: " + the_others(ends)};
  return {ExitCode::kInternal,
          "the ranks do not agree on how this run ended: " + the_others(ends) + "; please report it"};
}

}  // namespace rtdetr
