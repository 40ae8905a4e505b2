#pragma once

namespace gloo::transport {

/// A socket that listens at one address of this machine, and the thread that serves it.
class Device {
 public:
  virtual ~Device();
};

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};

}  // namespace gloo::transport
