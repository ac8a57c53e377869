// report.json, and every page and table that is made from one that was accepted.
#include "Fuzz.h"

#include "fingpt/Driver/Report.h"

using namespace fingpt;
using namespace fingpt::fuzz;

/// Markup holds no element and no attribute that a report could bring in.
static void checkHtml(const std::string &html) {
  size_t scripts = 0;
  for (size_t at = html.find("<script"); at != std::string::npos; at = html.find("<script", at + 1))
    ++scripts;
  require(scripts == 1); // the page's own
  for (char c : html)
    require(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  require(validUtf8Prefix(html) == html.size());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Result<Json> json = parseJson({reinterpret_cast<const char *>(data), size});
  if (!json)
    return 0; // JsonFuzzer's business
  Result<Report> report = parseReport(*json, "r.json");
  if (!report) {
    checkRefusal(report.error(), "r.json:/");
    return 0;
  }
  // What was read is written and read again as the same.
  Json written = reportJson(*report);
  Result<Report> again = parseReport(written, "r.json");
  require(again && reportJson(*again) == written);
  Report other = *again;
  if (!other.weights.empty()) {
    other.weights.front().kept = !other.weights.front().kept;
    other.weights.pop_back();
  }
  checkHtml(reportHtml(*report));
  checkHtml(reportDiffHtml(*report, other));
  require(!reportMarkdown(*report).empty() && !reportDiffMarkdown(other, *report).empty());
  require(!reportCsv(*report).empty());
  return 0;
}
