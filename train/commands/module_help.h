#pragma once

#include <string>
#include <vector>

/// Help about the modules that a model YAML may name, made from the registry.
namespace rtdetr {

std::vector<std::string> module_names();
/// A line per module: name, arguments, what it is.
std::string modules_overview();
/// A line per argument. @param name  one of module_names()
std::string module_help(const std::string& name);

}  // namespace rtdetr
