#pragma once

#include <string>

#include "tests/parity/fixture.h"

namespace rtdetr::test {

/// Checks one of the modules that DEIMv2's decoder layers are made of, or a whole layer: output and gradients.
/// @param tag  the fixture's name for it, e.g. "v2_swiglu"
void check_token_module(const Fixture& fixture, const std::string& tag);

}  // namespace rtdetr::test
