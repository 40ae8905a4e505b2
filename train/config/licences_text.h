#pragma once

#include <string>

namespace rtdetr {

/// The word for it: `rtdetr licences`.
inline constexpr const char* kLicences = "licences";

/// rtdetr's own licence and those of all that it is made with: LICENSE and THIRD_PARTY.md as they were when it was
/// built.
std::string licences_text();

}  // namespace rtdetr
