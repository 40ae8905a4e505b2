#pragma once

#include <torch/types.h>

#include "core/ops/nccl_backend.h"

namespace rtdetr::test {

/// The memory of a tensor on the pretended card as the host sees it; other tensors are themselves.
torch::Tensor host_view(const torch::Tensor& tensor);

/// What the pretended card has in NCCL's place (pretend_links.cpp).
c10::intrusive_ptr<c10d::Backend> make_pretended_links(const c10::intrusive_ptr<c10d::Store>& store,
                                                       const NcclOptions& options);

}  // namespace rtdetr::test
