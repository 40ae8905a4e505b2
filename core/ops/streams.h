#pragma once

#include "core/base/cpp20.h"

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

/// A device's streams in words that hold for every device, so that nothing here is linked to CUDA. What is given to two
/// streams may run at the same time. The CPU has none: nobody asks for its streams.
namespace rtdetr {

/// A stream beside the one that computes, e.g. for copies. Make it current with a c10::StreamGuard.
c10::Stream side_stream(c10::Device device);
/// The stream to which this thread's work on the device goes.
c10::Stream current_stream(c10::Device device);
/// A mark behind all that the stream was given so far: it can be asked, waited for, and other streams can wait for it.
c10::Event mark_behind(const c10::Stream& stream);

}  // namespace rtdetr
