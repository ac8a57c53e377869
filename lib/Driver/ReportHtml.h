// The pieces of the HTML pages. Every function returns markup; whatever comes from a report goes
// through text() or attribute values made by it.
#ifndef FINGPT_LIB_DRIVER_REPORTHTML_H
#define FINGPT_LIB_DRIVER_REPORTHTML_H

#include "ReportFigures.h"

namespace fingpt::report {

/// Foreign text as HTML text or the inside of a double-quoted attribute.
std::string text(std::string_view foreign, size_t limit = 2000);
/// The cell of a weight's name, with all but its kind dimmed.
std::string nameCell(const std::string &name, const Kind &kind);

/// The document around `body`; `title` is foreign text.
std::string page(const std::string &title, const std::string &body);
std::string section(const std::string &id, const std::string &heading, const std::string &body);
/// A figure on a card; all three are markup, `note` may be empty.
std::string card(const std::string &label, const std::string &value, const std::string &note);
/// Two columns of foreign text.
std::string settingsTable(const std::vector<std::pair<std::string, std::string>> &rows);

/// Style attribute that gives an element the colour of a kind.
std::string colourOf(const Kind &kind);
/// A square of that colour.
std::string swatch(const Kind &kind);

/// Rows are layers, columns the kinds in them; each cell goes to its row of the table.
struct HeatCell {
  enum Fill { None = -1, Kept = -2 };
  int step = None; ///< of the ramp
  std::string text, title;
  size_t weight = 0;
};
struct HeatMap {
  char ramp = 'e'; ///< e: error, b: bits, d: better or worse
  std::string heading, note;
  std::vector<std::string> legend; ///< one text per step
  std::vector<HeatCell> cells;     ///< [layers, kinds in layers]
};
std::string heatMapHtml(const HeatMap &map, const Figures &figures);
HeatMap errorMap(const Report &report, const Figures &figures);
HeatMap bitsMap(const Report &report, const Figures &figures);

/// Bytes before and after, on one scale.
std::string bytesBars(const Report &report, const Figures &figures);
/// Spectra by kind and by layer, with their selector; empty if none were recorded.
std::string spectraHtml(const Report &report, const Figures &figures);

} // namespace fingpt::report

#endif // FINGPT_LIB_DRIVER_REPORTHTML_H
