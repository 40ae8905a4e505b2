#pragma once

#include <cstdint>
#include <vector>

#include "core/image/resize_axis.h"

/// The passes of resize_passes.h for processors with AVX-512 and its permutations of bytes (VBMI): the same integers,
/// sixteen outputs at a time. Only resize_passes.cpp calls this.
namespace rtdetr::avx512 {

/// On this processor, at the level in use (cpu_level.h).
bool is_available();

/// The column pass where every output is made from at most two pixels (stretching): for each sixteen outputs of an
/// axis, the bytes to fetch and what to do with them.
class Stretch {
 public:
  /// @param split  weights as ColumnPass keeps them
  Stretch(const ResizeAxis& axis, const std::vector<std::int32_t>& split);
  /// False if the axis is none for this: it shrinks, or the processor lacks the instructions.
  bool fits() const { return !groups_.empty(); }
  /// One row of RGB bytes → three planes of bytes, written in [axis.begin, axis.end). Reads no byte beyond the row.
  void run(const std::uint8_t* row, std::uint8_t* r, std::uint8_t* g, std::uint8_t* b) const;

 private:
  static constexpr int kOutputs = 16;
  struct alignas(64) Group {
    std::uint8_t source[4 * kOutputs] = {};  ///< by output: red of its two pixels as 16-bit numbers, every other byte
                                             ///< of the result is zero
    std::int32_t low[kOutputs] = {}, high[kOutputs] = {};  ///< weights of both pixels
    std::uint64_t bytes = 0;                               ///< mask: of the row, from `first` on
    int first = 0;
    std::uint16_t outputs = 0;  ///< mask
  };
  std::vector<Group> groups_;
  int begin_ = 0;
};

/// The row pass, resize_rows() of resize_passes.h.
void sum_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end, float* out);
void sum_rows(const std::uint8_t* const* rows, const std::int32_t* weight, int count, int begin, int end,
              std::uint8_t* out);

}  // namespace rtdetr::avx512
