#pragma once

#include "core/base/error.h"
#include "core/distributed/process_group.h"
#include "train/config/settings.h"

/// One function per command. Each writes its result to stdout (text, or with json=true one JSON document) and
/// returns the exit code; mistakes are thrown as Error and printed by main.cpp alone.
namespace rtdetr {

/// @param group  the processes that train together; each of them comes here, and the main one alone writes and speaks
ExitCode run_train(const Settings& settings, ProcessGroup& group = world_of_one());
/// @param group  likewise, those that share the pictures
ExitCode run_val(const Settings& settings, ProcessGroup& group = world_of_one());
ExitCode run_predict(const Settings& settings);
ExitCode run_export(const Settings& settings);
ExitCode run_benchmark(const Settings& settings);
ExitCode run_info(const Settings& settings);
ExitCode run_check(const Settings& settings);
ExitCode run_convert(const Settings& settings);
ExitCode run_coco_eval(const Settings& settings);
ExitCode run_compare(const Settings& settings);
ExitCode run_help(const Settings& settings);
ExitCode run_version(const Settings& settings);

}  // namespace rtdetr
