// Which program this is: what one build computes, another may compute otherwise.
#ifndef FINGPT_SUPPORT_BUILD_H
#define FINGPT_SUPPORT_BUILD_H

#include <string>

namespace fingpt {

/// Size and time of the running program's file; part of the keys of caches.
std::string buildIdentity();

} // namespace fingpt

#endif // FINGPT_SUPPORT_BUILD_H
