#pragma once

#include "models/deploy/engine/graph.h"

/// Rewrites a graph so that fewer operations do the same: exact but for the order of additions. Each pass is one kind
/// of rewriting and leaves a graph that means the same.
namespace rtdetr {

/// All passes below, in their order.
void fuse_operations(EngineGraph& graph);

/// A Pad in front of windows becomes `extra_padding` of theirs.
void fold_padding(EngineGraph& graph);
/// A Linear of tokens some of which are zeroed becomes one of all tokens, with the mask as its fourth input: where it
/// is 0, the result is the bias.
void fold_masks(EngineGraph& graph);
/// An activation behind a Conv or Linear becomes part of it.
void join_activations(EngineGraph& graph);
/// Linear layers, and 1x1 convolutions, of one input become one, and a Split.
void join_siblings(EngineGraph& graph);
/// A sum behind a Conv or Linear, and the activation behind that, become part of it.
void join_residuals(EngineGraph& graph);

}  // namespace rtdetr
