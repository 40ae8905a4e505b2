#pragma once

#include <string>
#include <vector>

/// The words of a data set's YAML, ours and those of other programs; not for other folders.
namespace rtdetr {

/// At the top, and in a split that is a map.
const std::vector<std::string>& dataset_keys();
const std::vector<std::string>& split_keys();

/// Whether other programs write the key for themselves, so that nothing here could depend on it.
bool is_foreign_dataset_key(const std::string& key);

/// "; did you mean 'train'?", "; here it is 'names'", or "" if none of `known` is meant.
std::string dataset_key_hint(const std::string& key, const std::vector<std::string>& known);

}  // namespace rtdetr
