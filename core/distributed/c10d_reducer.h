#pragma once

#include <memory>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "core/distributed/gradient_reducer.h"
#include "core/distributed/rendezvous.h"

namespace rtdetr {

/// LibTorch's own reducer: gradients are sent in buckets of 25 MB while the backward pass goes on.
/// @param backend  of make_gloo_backend or connect_gpus, for where the parameters lie; nobody else's
std::unique_ptr<GradientReducer> make_c10d_reducer(const Rendezvous& me, const c10::intrusive_ptr<c10d::Store>& store,
                                                   c10::intrusive_ptr<c10d::Backend> backend,
                                                   std::vector<torch::Tensor> parameters);

}  // namespace rtdetr
