#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

/// Keeps the threads of a computation from spinning for each other while other work wants their cores.
///
/// OpenMP's threads (libgomp's) spin for some milliseconds at each of a forward pass's hundred meeting points. Where
/// another process has the core of the one they wait for, they burn the time in which it would be back: a picture then
/// takes ten times as long. How long they spin is read from the environment when libgomp is loaded, which is too late
/// for a library. But libgomp itself spins a thousandth of that once it has more threads than the process has cores.
/// So while the machine is contended, a team of one thread more than there are cores is kept asleep. It is not kept
/// always, because threads that sleep instead of spinning cost an idle machine of 16 cores a tenth.
namespace rtdetr {

/// Whether the environment (GOMP_SPINCOUNT, OMP_WAIT_POLICY) says how OpenMP's threads wait. Then nothing is done here.
inline bool environment_says_how_to_wait() {
  return std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr;
}

/// Whether other work wants the process's cores, judged by how often its threads were made to leave them.
class ContentionJudge {
 public:
  static constexpr int kSampleMs = 20;

  /// One more stretch of kSampleMs in which the process computed, and was preempted so often. @return contended
  bool add(std::int64_t preemptions);
  bool contended() const { return contended_; }

 private:
  static constexpr std::size_t kWindow = 5;   // samples that contention is seen in
  static constexpr std::int64_t kBusy = 10;   // preemptions in a window; an idle machine has 0 to 4
  static constexpr int kQuietSamples = 50;    // samples that must be quiet before it is over
  static constexpr std::int64_t kQuiet = 75;  // preemptions in them; a busy machine has 150 and more
  std::array<std::int64_t, kWindow> recent_{};
  std::size_t next_ = 0;
  int samples_ = 0;        ///< since contention was seen, up to kQuietSamples
  std::int64_t seen_ = 0;  ///< preemptions in them
  bool contended_ = false;
};

/// One more OpenMP thread than there are cores, asleep while this lives.
class SleepingTeam {
 public:
  SleepingTeam();
  ~SleepingTeam();
  SleepingTeam(const SleepingTeam&) = delete;
  SleepingTeam& operator=(const SleepingTeam&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Looks after the process's computations: a thread that samples the preemptions while something computes, and keeps
/// a SleepingTeam while they say so. One for all who hold it; it ends with the last.
class ShortWaits {
 public:
  /// nullptr if the environment says how to wait.
  static std::shared_ptr<ShortWaits> shared();
  ~ShortWaits();
  ShortWaits(const ShortWaits&) = delete;
  ShortWaits& operator=(const ShortWaits&) = delete;

  /// Something computes with several threads while this lives. @param waits  may be nullptr
  class Computing {
   public:
    explicit Computing(ShortWaits* waits);
    ~Computing();
    Computing(const Computing&) = delete;
    Computing& operator=(const Computing&) = delete;

   private:
    ShortWaits* waits_;
  };

 private:
  ShortWaits();
  void run();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
