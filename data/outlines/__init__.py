"""Outlines of labelling tools (COCO, labelme, YOLO), made into the masks that data=folder reads."""
