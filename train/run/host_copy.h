#pragma once

#include <functional>

#include "core/tensor/tensor_file.h"

namespace rtdetr {

/// A state on the host.
struct HostState {
  TensorMap tensors;
  /// Returns when the tensors have arrived; from any thread. Empty: they are there, and may be the run's own, which the
  /// next step changes.
  std::function<void()> arrive;
};

/// Brings states from a device to the host without anybody waiting: into pinned memory that is kept for the next one,
/// behind what the device was given so far and before what it is given next. Of a state that lies on the host as a
/// whole there are references.
class HostCopy {
 public:
  /// The copies of the state before must not be read any more.
  HostState take(TensorMap state);

 private:
  TensorMap kept_;
};

}  // namespace rtdetr
