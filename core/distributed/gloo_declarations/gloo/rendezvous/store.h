#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace gloo::rendezvous {

/// Where ranks leave each other their addresses. c10d::ProcessGroupGloo::GlooStore derives from it in LibTorch's
/// header.
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string& key, const std::vector<char>& value) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
};

}  // namespace gloo::rendezvous
