// The non-template parts of Asio.
#include "wire/asio.h"

#include <boost/asio/impl/src.hpp>
