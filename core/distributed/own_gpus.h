#pragma once

#include <string>

#include "core/distributed/process_group.h"

namespace rtdetr {

/// Each process of a job has a GPU of its own: two on one would wait for each other there, and NCCL refuses them. Every
/// rank comes here with the GPU that it computes on.
/// @param uuid  uuid_of() its device; "" = no GPU
/// @throws ConfigError  on all ranks: which GPU of which host, and the ranks that compute on it
void require_own_gpus(ProcessGroup& group, const std::string& uuid);

}  // namespace rtdetr
