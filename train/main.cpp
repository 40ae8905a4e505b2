#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/base/choices.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "train/commands/commands.h"
#include "train/config/input_files.h"
#include "train/config/settings_parser.h"
#include "train/process/failure.h"
#include "train/process/job.h"
#include "train/process/machine.h"
#include "train/process/standard_streams.h"
#include "train/report/output.h"

namespace {

using rtdetr::Command;
using rtdetr::ExitCode;

ExitCode train(const rtdetr::Settings& settings) {
  const auto job = rtdetr::join_job(settings);
  return rtdetr::run_train(rtdetr::settings_of_rank(settings, *job), *job);
}

ExitCode run(const rtdetr::Settings& settings) {
  switch (settings.command) {
    case Command::kTrain:
      return train(settings);
    case Command::kVal:
      return rtdetr::run_val(settings);
    case Command::kPredict:
      return rtdetr::run_predict(settings);
    case Command::kExport:
      return rtdetr::run_export(settings);
    case Command::kBenchmark:
      return rtdetr::run_benchmark(settings);
    case Command::kInfo:
      return rtdetr::run_info(settings);
    case Command::kCheck:
      return rtdetr::run_check(settings);
    case Command::kConvert:
      return rtdetr::run_convert(settings);
    case Command::kCocoEval:
      return rtdetr::run_coco_eval(settings);
    case Command::kCompare:
      return rtdetr::run_compare(settings);
    case Command::kHelp:
      return rtdetr::run_help(settings);
    case Command::kVersion:
      return rtdetr::run_version(settings);
  }
  return ExitCode::kInternal;
}

/// One line on stderr for each thing that is wrong, or with progress=json one object; with json=true the same as a
/// document on stdout.
int fail(const rtdetr::Error& error, bool json) {
  rtdetr::log::end_progress();
  if (rtdetr::log::tells_json()) rtdetr::log::happened("", rtdetr::json_line(rtdetr::error_event(error)));
  for (const std::string& line : rtdetr::split(error.what(), '\n')) {
    if (line.empty() || rtdetr::log::tells_json()) continue;
    const std::string text = "rtdetr: error: " + rtdetr::without_controls(line) + "\n";
    if (std::fputs(text.c_str(), stderr) < 0) rtdetr::log::write_spare(text);
  }
  if (json) rtdetr::print_json_error(error);
  return static_cast<int>(error.code());
}

/// Ends the process as soon as everything is written. To return from main() takes LibTorch's registers apart, 80 ms of
/// processor time that do nothing for anybody; sanitizers have their say there.
int end(int code) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  std::fflush(nullptr);
  ::_exit(code);
#endif
  return code;
}

}  // namespace

/// The program behind train/front.cpp. The only place that catches everything.
int main(int argc, char** argv) {
  rtdetr::open_closed_streams();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    const rtdetr::Settings settings = rtdetr::parse_command_line(arguments);
    rtdetr::log::set_progress_form(rtdetr::chosen("progress", settings.progress, rtdetr::log::kProgressWords));
    rtdetr::require_input_files(settings);
    if (rtdetr::starts_ranks(settings)) return end(static_cast<int>(rtdetr::launch_job(settings, {argv, argv + argc})));
    rtdetr::apply_machine_settings(settings);
    return end(static_cast<int>(run(settings)));
  } catch (...) {
    return end(fail(rtdetr::as_error(std::current_exception()), rtdetr::asks_for_json(arguments)));
  }
}
