#pragma once

#include <array>
#include <cstdint>

namespace rtdetr {

/// What a stream of random numbers is for. Streams of different purposes never share numbers. Append only: the
/// values are part of what makes a run repeatable.
enum class RandomPurpose : std::uint32_t {
  kInitialWeights = 1,
  kShuffle = 2,
  kAugmentation = 3,
  kMultiScale = 4,
  kDenoising = 5,
  kSubstitute = 6,
  kMixup = 7,
  kCopyBlend = 8,
};

/// The function behind every stream: ten rounds of Philox 4x32 turn a counter and a key into four random words.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// Counter-based generator (Philox 4x32-10, Salmon et al. 2011): every stream is a function of its key alone, so no
/// draw depends on threads, order or history, and a resumed run needs no stored state.
class Random {
 public:
  /// @param epoch  below 2^32
  /// @param index  e.g. the picture within the epoch, or the step with epoch 0
  /// A stream holds 2^34 words. Streams of one seed never overlap.
  Random(std::uint64_t seed, RandomPurpose purpose, std::uint64_t epoch, std::uint64_t index);

  std::uint32_t next_u32();
  /// [0, 1), 53 bits.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// 0 … n-1, without modulo bias. n > 0.
  std::uint64_t below(std::uint64_t n);
  bool chance(double probability) { return uniform() < probability; }

 private:
  void refill();

  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_;
  int used_ = 4;
};

}  // namespace rtdetr
