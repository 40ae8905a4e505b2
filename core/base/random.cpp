#include "core/base/random.h"

#include "core/base/check.h"

namespace rtdetr {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

Random::Random(std::uint64_t seed, RandomPurpose purpose, std::uint64_t epoch, std::uint64_t index)
    : key_{static_cast<std::uint32_t>(seed),
           static_cast<std::uint32_t>(seed >> 32) ^ (static_cast<std::uint32_t>(purpose) << 24)},
      counter_{0, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(index),
               static_cast<std::uint32_t>(index >> 32)} {
  RTDETR_CHECK(epoch >> 32 == 0, "a random stream's epoch has 32 bits, this one is " + std::to_string(epoch));
}

void Random::refill() {
  block_ = philox4x32(counter_, key_);
  used_ = 0;
  ++counter_[0];
  RTDETR_CHECK(counter_[0] != 0, "a random stream is used up after 2^34 numbers");
}

std::uint32_t Random::next_u32() {
  if (used_ == 4) refill();
  return block_[used_++];
}

double Random::uniform() {
  const std::uint64_t high = next_u32() >> 5;  // 27 bits
  const std::uint64_t low = next_u32() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

std::uint64_t Random::below(std::uint64_t n) {
  RTDETR_CHECK(n > 0, "there is no number below 0");
  const std::uint64_t uneven = (0 - n) % n;  // 2^64 mod n: so many of the smallest draws are one too many
  for (;;) {
    const std::uint64_t high = next_u32();
    const std::uint64_t draw = (high << 32) | next_u32();
    if (draw >= uneven) return draw % n;
  }
}

}  // namespace rtdetr
