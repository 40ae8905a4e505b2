#pragma once

#include <string>
#include <vector>

namespace rtdetr {

/// What `device=` asks for, in words alone: whether such a device is there is for the machine to say.
struct DeviceChoice {
  enum class Kind {
    kCpu,
    kCuda,
    kAuto,  ///< a GPU where there is one, else the CPU
  } kind = Kind::kCpu;
  std::vector<int> gpus;  ///< kCuda: numbers of the devices, each once, one process for each; never empty
};

/// cpu | auto | cuda | cuda:1 | 0 | 0,1,2,3
/// @param origin  of the text, for the message (Settings::origin_of)
/// @throws ConfigError
DeviceChoice device_choice(const std::string& text, const std::string& origin = "");

}  // namespace rtdetr
