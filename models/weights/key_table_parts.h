#pragma once

#include <string>
#include <vector>

#include "models/weights/key_rules.h"

/// What the tables of Hugging Face's detectors have in common.
namespace rtdetr {

void append_rules(std::vector<KeyRule>& rules, const std::vector<KeyRule>& more);

/// A transformer's layer, encoder's or decoder's: self-attention, its norm, the feed-forward part.
std::vector<KeyRule> hugging_face_layer_rules(const std::string& theirs, const std::string& ours);

/// Names that both generations of transformers give otherwise than the published files, whatever the model.
std::vector<KeyAlias> hugging_face_aliases();

}  // namespace rtdetr
