#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

/// Messages for people, on stderr (stdout belongs to results). spdlog stays behind this header: its fmt and
/// LibTorch's do not go into one translation unit.
namespace rtdetr::log {

enum class Level { kDebug, kInfo, kWarning, kError };

void set_level(Level level);
void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);
void error(const std::string& message);

/// Rewrites one live line on a terminal; on anything else prints a plain line at most every few seconds.
void progress(const std::string& line);
/// Columns that the live line may have; 0 where there is none.
std::size_t live_columns();
/// Ends the live line, so that the next message starts on a fresh one.
void end_progress();

/// Names the file to which is appended from now on what stderr does not take, because its reader is gone or its disk
/// full. Empty: that is lost, as for any program.
void set_spare_file(const std::filesystem::path& file);
/// Appends what stdout did not take. @return  false without such a file, or when that takes nothing either
bool write_spare(const std::string& text);

}  // namespace rtdetr::log
