#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// Where the program lies, and with it what came along.
namespace rtdetr {

/// The program's file; where /proc is not mounted, as it was started, which is right until the working folder changes.
/// Empty if neither is known.
std::filesystem::path own_program();

/// Folder of the shared library that this code lies in; empty where it lies in the program itself.
std::filesystem::path folder_of_own_library();

/// The sources of a program, or of that library, that lies in their build folder; empty where it is installed.
std::filesystem::path own_sources();
inline bool is_of_build_folder() { return !own_sources().empty(); }

/// The places where an installation may have a folder of its share/, such as "rtdetr/configs": beside the program and
/// the library, and where this build is installed to.
std::vector<std::filesystem::path> installed_folders(const std::string& folder);

/// A page of the documentation as its reader can open it, for messages.
/// @param page  "docs/gpu.md"
/// @return      the same in a build folder, else the installation's file; the same again where that is missing
std::string readable_page(const std::string& page);

}  // namespace rtdetr
