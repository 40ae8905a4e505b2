#pragma once

#include <string>

#include "core/io/yaml_node.h"

namespace rtdetr {

/// Text of a value as YAML (block style at the top, flow style below), reading back to the same tree.
std::string write_yaml(const YamlNode& root);

/// Convenience makers for write_yaml.
YamlNode yaml_scalar(const std::string& text, bool quoted = false);

}  // namespace rtdetr
