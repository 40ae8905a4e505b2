#pragma once

namespace rtdetr {

/// run_page.html, .css and .js of this folder, which CMake puts into the program.
extern const char* const kPageHtml;
extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace rtdetr
