add_subdirectory(p11proxy)
