#pragma once

#include <filesystem>

namespace rtdetr {

/// Folder of the shared library that this code lies in; empty where it lies in the program itself.
std::filesystem::path folder_of_own_library();

}  // namespace rtdetr
