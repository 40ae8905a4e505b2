#include "core/ops/streams.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace rtdetr {

c10::Stream side_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

c10::Stream current_stream(c10::Device device) { return c10::impl::VirtualGuardImpl(device.type()).getStream(device); }

c10::Event mark_behind(const c10::Stream& stream) {
  c10::Event mark(stream.device_type());
  mark.record(stream);
  return mark;
}

}  // namespace rtdetr
