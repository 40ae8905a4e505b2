#pragma once

#include <ATen/Context.h>

namespace rtdetr::test {

/// While it lives, LibTorch is asked for deterministic algorithms.
struct Deterministic {
  Deterministic() { at::globalContext().setDeterministicAlgorithms(true, false); }
  ~Deterministic() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

}  // namespace rtdetr::test
