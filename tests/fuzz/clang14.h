#pragma once

#include <type_traits>

// For the fuzz preset alone. clang 14 with GCC 12's library cannot make a C++20 vector of pairs of the type that the
// vector is a member of (YamlNode::entries): while it looks whether the pair is default constructible it needs the
// vector's destructor, which needs the pair. Answering that one question beforehand ends the circle.
namespace rtdetr {
struct YamlNode;
}
template <>
struct std::__is_implicitly_default_constructible_safe<rtdetr::YamlNode> : std::true_type {};
