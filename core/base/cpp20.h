#pragma once

/// For a program that is compiled with our headers: says what is wrong before they fail one by one.
#if __cplusplus < 202002L
#error "rtdetr's headers are C++20: compile with -std=c++20 (CMake: set(CMAKE_CXX_STANDARD 20), or link rtdetr::rtdetr)"
#endif
