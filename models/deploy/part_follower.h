#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <torch/types.h>

/// Which part of a model a forward pass is in, for those who count what a part takes.
namespace rtdetr {

/// In the order in which a picture passes them. A deformable encoder is the encoder, though it belongs to the last row;
/// query selection and the projections in front of it are the decoder's.
inline constexpr std::array kForwardParts{"backbone", "encoder", "decoder"};
/// A number for each of them.
using PartNumbers = std::array<double, kForwardParts.size()>;

/// Follows the forward passes of its thread while it lives, by the scopes that the model names
/// (RECORD_USER_SCOPE). One at a time in a thread.
class PartFollower {
 public:
  /// @param device  is waited for wherever a part ends, so that its work counts for that part
  explicit PartFollower(torch::Device device = torch::kCPU);
  ~PartFollower();
  PartFollower(const PartFollower&) = delete;
  PartFollower& operator=(const PartFollower&) = delete;

  std::size_t part() const { return open_.back(); }  ///< where the pass is; the first one outside of any
  const PartNumbers& ms() const { return ms_; }      ///< milliseconds that were spent in each, of all passes

 private:
  friend struct PartScopes;
  void move_to(std::vector<std::size_t> open);

  torch::Device device_;
  std::uint64_t handle_;
  std::vector<std::size_t> open_{0};  ///< parts of the scopes that are open, the innermost last
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  PartNumbers ms_{};
};

}  // namespace rtdetr
