#include "core/plot/style.h"

#include "core/plot/drawable_text.h"

namespace rtdetr::style {

std::string cut_to(const std::string& text, double width) {
  const std::string whole = drawable_text(text);
  std::string shown = whole;
  while (!shown.empty() && Canvas::text_width(shown, kTextHeight) > width) shown = shortened(whole, shown.size() - 1);
  return shown;
}

}  // namespace rtdetr::style
