#include <nlohmann/json.hpp>

#include "train/commands/commands.h"
#include "train/process/machine.h"
#include "train/report/output.h"

namespace rtdetr {

ExitCode run_version(const Settings& settings) {
  const Versions v = versions();
  print_text(settings, "rtdetr " + v.program + "\n  LibTorch   " + v.libtorch + "\n  compiler   " + v.compiler +
                           "\n  processor  " + v.cpu_capability + ", " + std::to_string(physical_cores()) +
                           " physical cores\n");
  print_json(settings, {{"program", v.program},
                        {"libtorch", v.libtorch},
                        {"compiler", v.compiler},
                        {"cpu_capability", v.cpu_capability},
                        {"physical_cores", physical_cores()}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
