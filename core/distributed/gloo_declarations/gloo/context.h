#pragma once

#include <chrono>

namespace gloo {

/// The connections of one group. Made and destroyed inside LibTorch; only what is called from here is declared.
class Context {
 public:
  virtual ~Context();
  void closeConnections();
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
