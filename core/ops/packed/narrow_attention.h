#pragma once

#include <cstdint>

#include "core/ops/packed/attention.h"

namespace rtdetr {

/// Attention whose products are AMX's, of bf16; scores, shares and sums are float32. Vectors of bf16 alone gain nothing
/// over float32's.
bool can_attend_narrow(std::int64_t width);
std::int64_t narrow_attention_workspace_floats(std::int64_t rows, std::int64_t heads, std::int64_t width, int threads);
/// The workspace has narrow_attention_workspace_floats(). The numbers do not depend on the number of threads.
void run_narrow_attention(const AttentionRows& attention, const PackedWorkspace& workspace);

}  // namespace rtdetr
