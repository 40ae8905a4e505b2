#include "train/process/failure.h"

#include <filesystem>
#include <new>
#include <string>

#include <c10/util/Exception.h>

#include "core/io/read_only_file.h"
#include "core/ops/device.h"
#include "core/ops/device_memory.h"

namespace rtdetr {
namespace {

/// Of a card that works no more. What only a fault of ours can make of it (a label out of range, a bad pointer) is not
/// among them.
bool is_lost_device(const std::string& text) {
  for (const char* words :
       {"ECC error", "NVLink error", "device is lost", "GPU is lost", "fallen off the bus", "no CUDA-capable device",
        "device(s) is/are busy or unavailable", "hardware stack error", "launch timed out",
        "system not yet initialized", "device requires reset", "unknown error"}) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

Error out_of_memory() { return {ExitCode::kMemory, "not enough memory; a smaller batch= or imgsz= needs less"}; }

/// LibTorch reports an allocation it could not make as an ordinary error, whose words differ by system and device.
Error of_libtorch(const c10::Error& error) {
  const std::string text = words_of(error);
  if (is_out_of_device_memory(error)) return out_of_device_memory("LibTorch: " + text);
  for (const char* words : {"can't allocate memory", "not enough memory", "out of memory"}) {
    if (text.find(words) != std::string::npos) return out_of_memory();
  }
  if (text.find("CUDA") != std::string::npos && is_lost_device(text))
    return {ExitCode::kIo, "the GPU stopped working: " + text + "; nvidia-smi and the kernel's log (dmesg) say more"};
  return {ExitCode::kInternal, "LibTorch: " + text};
}

/// The standard library reports what the operating system refused it in its own words.
Error of_file_system(const std::filesystem::filesystem_error& error) {
  const std::string words =
      error.code().category() == std::system_category() || error.code().category() == std::generic_category()
          ? errno_words(error.code().value())
          : error.code().message();
  return {ExitCode::kIo, "'" + error.path1().string() + "': " + words};
}

}  // namespace

Error as_error(const std::exception_ptr& caught) {
  try {
    std::rethrow_exception(caught);
  } catch (const Error& error) {
    return error;
  } catch (const c10::Error& error) {
    return of_libtorch(error);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::filesystem::filesystem_error& error) {
    return of_file_system(error);
  } catch (const std::exception& error) {
    return {ExitCode::kInternal, error.what()};
  } catch (...) {  // a callback's own
    return {ExitCode::kInternal, "something was thrown that is no std::exception"};
  }
}

const char* kind_of(ExitCode code) {
  constexpr int kSignals = 128;  // what a signal ended has the signal's number on top
  switch (code) {
    case ExitCode::kOk:
      return "ok";
    case ExitCode::kUsage:
      return "usage";
    case ExitCode::kData:
      return "data";
    case ExitCode::kModel:
      return "model";
    case ExitCode::kIo:
      return "io";
    case ExitCode::kDiverged:
      return "diverged";
    case ExitCode::kPeer:
      return "peer";
    case ExitCode::kMemory:
      return "memory";
    case ExitCode::kInternal:
      return "internal";
    case ExitCode::kStopped:
      return "stopped";
  }
  return static_cast<int>(code) > kSignals ? "stopped" : "internal";
}

}  // namespace rtdetr
