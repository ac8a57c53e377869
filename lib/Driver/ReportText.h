// Markdown and CSV with foreign text in them.
#ifndef FINGPT_LIB_DRIVER_REPORTTEXT_H
#define FINGPT_LIB_DRIVER_REPORTTEXT_H

#include "ReportFigures.h"

namespace fingpt::report {

/// As running text, also in a cell of a table.
std::string prose(std::string_view foreign);
/// As code: between backticks, or in <code> where it holds what those cannot.
std::string code(std::string_view foreign);

/// A field of CSV: quoted where it must be, with a leading ' before what a spreadsheet would run.
std::string csvField(const std::string &foreign);
/// Empty if absent; else in the fewest digits that read back.
std::string csvField(const std::optional<double> &value);

/// A Markdown table, its columns padded so that it also reads as plain text.
class MarkdownTable {
public:
  /// A heading that ends in '>' is of a column of numbers.
  explicit MarkdownTable(std::vector<std::string> headings);
  void row(std::vector<std::string> cells);
  std::string str() const;

private:
  std::vector<bool> numeric;
  std::vector<std::vector<std::string>> rows;
};

} // namespace fingpt::report

#endif // FINGPT_LIB_DRIVER_REPORTTEXT_H
